import { readFileSync, readdirSync, rmSync } from 'node:fs';
import { GraphBuilder, floatSource, encodeModel } from './lib.mjs';
import * as ort from 'onnxruntime-node';
const N=+(process.argv[2]??16), C=+(process.argv[3]??512), M=C, H=+(process.argv[4]??14);
const T=H/2;
const arr=(shape,s)=>{const n=shape.reduce((a,b)=>a*b,1);const a=new Float32Array(n);let x=12345;for(let i=0;i<n;i++){x=(x*1103515245+12345)&0x7fffffff;a[i]=(x/0x7fffffff-0.5)*2*s;}return a;};
const g=new GraphBuilder();
const x=g.input('x','float32',['n',C,H,H]); const w=g.input('w','float32',[M,C,3,3]); const dy=g.input('dy','float32',['n',M,H,H]);
const I=(l)=>g.integers('l',l);
const B=[[1,0,-1,0],[0,1,1,0],[0,-1,1,0],[0,1,0,-1]], G=[[1,0,0],[.5,.5,.5],[.5,-.5,.5],[0,0,1]], A=[[1,1,1,0],[0,1,-1,-1]];
const kron=(P,Q)=>P.flatMap(p=>Q.map(q=>p.flatMap(a=>q.map(b=>a*b))));
const mat=(name,m)=>g.floats(name,m.flat(),[m.length,m[0].length]);
const tr=m=>m[0].map((_,i)=>m.map(r=>r[i]));
const BB=mat('BB',kron(B,B)), GG=mat('GG',kron(G,G)), AA=mat('AA',kron(A,A)), AAt=mat('AAt',tr(kron(A,A))), GGt=mat('GGt',tr(kron(G,G)));
function tiles(v,ch){ // NCHW -> [16, n*T*T*ch]
  const last=g.add('Transpose',[v],{perm:[0,2,3,1]});
  const p=g.add('Pad',[last,I([0,1,1,0,0,1,1,0])],{mode:'constant'});
  const parts=[];
  for(let i=0;i<4;i++)for(let j=0;j<4;j++){const s=g.add('Slice',[p,I([i,j]),I([i+2*T-1,j+2*T-1]),I([1,2]),I([2,2])]);parts.push(g.add('Reshape',[s,I([1,-1])]));}
  return g.add('Concat',parts,{axis:0});
}
function wconv(v,U,cin,cout,transB){
  const V=g.add('Reshape',[g.add('Gemm',[BB,tiles(v,cin)],{}),I([16,-1,cin])]);
  const P=g.add('MatMul',[V,transB?g.add('Transpose',[U],{perm:[0,2,1]}):U]); // [16, nTT, cout]
  const y=g.add('Gemm',[AA,g.add('Reshape',[P,I([16,-1])])],{});
  const yy=g.add('Reshape',[y,I([2,2,-1,T,T,cout])]);
  const out=g.add('Transpose',[yy],{perm:[2,5,3,0,4,1]});
  return {y:g.add('Reshape',[out,I([-1,cout,H,H])]),V};
}
const w9=g.add('Reshape',[g.add('Transpose',[w],{perm:[2,3,1,0]}),I([9,C*M])]);
const U=g.add('Reshape',[g.add('Gemm',[GG,w9],{}),I([16,C,M])]);
const f=wconv(x,U,C,M,false);
// dX: flipped
const perm=[3,1,2,0]; const order=[];for(let i=0;i<4;i++)for(let j=0;j<4;j++)order.push(perm[i]*4+perm[j]);
const Uf=g.add('Gather',[U,I(order)],{axis:0});
const b=wconv(dy,Uf,M,C,true);
// dW
const dl=g.add('Reshape',[g.add('Transpose',[g.add('Reshape',[dy,I([-1,M,T,2,T,2])])],{perm:[3,5,0,2,4,1]}),I([4,-1])]);
const dM=g.add('Reshape',[g.add('Gemm',[AAt,dl],{}),I([16,-1,M])]);
const dU=g.add('MatMul',[g.add('Transpose',[f.V],{perm:[0,2,1]}),dM]);
const dW9=g.add('Gemm',[GGt,g.add('Reshape',[dU,I([16,-1])])],{});
const dW=g.add('Reshape',[g.add('Transpose',[g.add('Reshape',[dW9,I([9,C,M])])],{perm:[2,1,0]}),I([M,C,3,3])]);
for(const v of [f.y,b.y,dW]) g.output(v);
// reference
const r=new GraphBuilder(); const rx=r.input('x','float32',['n',C,H,H]), rw=r.input('w','float32',[M,C,3,3]);
r.output(r.add('Conv',[rx,rw],{kernel_shape:[3,3],strides:[1,1],pads:[1,1,1,1],dilations:[1,1],group:1}));
for(const f of readdirSync('/tmp/grad')) if(f.startsWith('prof_')) rmSync('/tmp/grad/'+f);
const feeds={x:new ort.Tensor('float32',arr([N,C,H,H],1),[N,C,H,H]),w:new ort.Tensor('float32',arr([M,C,3,3],.04),[M,C,3,3]),dy:new ort.Tensor('float32',arr([N,M,H,H],1),[N,M,H,H])};
const opt={extra:{session:{"intra_op.allow_spinning":"0"}},logSeverityLevel:4};
const rs=await ort.InferenceSession.create(encodeModel(r,{name:'r'}),opt);
const ref=(await rs.run({x:feeds.x,w:feeds.w}))[r.outputs[0].name].data;
const se=await ort.InferenceSession.create(encodeModel(g,{name:'s'}),{...opt,enableProfiling:true,profileFilePrefix:'/tmp/grad/prof_'});
const t=[];let out; for(let i=0;i<8;i++){const a=process.cpuUsage();out=await se.run(feeds);const c=process.cpuUsage(a);t.push((c.user+c.system)/1000);}
let e=0,mx=0;const yy=out[f.y.name].data;for(let i=0;i<yy.length;i++){e=Math.max(e,Math.abs(yy[i]-ref[i]));mx=Math.max(mx,Math.abs(ref[i]));} console.log('err',e,'of',mx);
se.endProfiling(); const pf=readdirSync('/tmp/grad').find(f=>f.startsWith('prof_')); const ev=JSON.parse(readFileSync('/tmp/grad/'+pf,'utf8'));
const by=new Map(); for(const e of ev){ if(e.cat!=='Node'||!e.name.endsWith('_kernel_time'))continue; const k=e.args.op_name+' '+e.name.replace('_kernel_time','')+' '+JSON.stringify(e.args.output_type_shape?.map(o=>Object.values(o)[0])); if(!by.has(k))by.set(k,[]); by.get(k).push(e.dur/1000);}
const rows=[...by].map(([k,v])=>[k,Math.min(...v.slice(1)),v.sort((a,b)=>a-b)[v.length>>1]]).sort((a,b)=>b[1]-a[1]);
console.log('cpu min',Math.min(...t.slice(1)).toFixed(0),'sum wall mins',rows.reduce((s,r)=>s+r[1],0).toFixed(0));
for(const r of rows.slice(0,22)) console.log(r[1].toFixed(1).padStart(8),r[2].toFixed(1).padStart(8),r[0]);
