import { readFileSync, readdirSync, rmSync } from 'node:fs';
import { GraphBuilder, floatSource, stepGraph, makeOptimizer, encodeModel } from './lib.mjs';
import * as ort from 'onnxruntime-node';
const [what, batch, mode='arrays'] = process.argv.slice(2); const N=+batch;
const arr=(shape,s)=>{const n=shape.reduce((a,b)=>a*b,1);const a=new Float32Array(n);let x=12345;for(let i=0;i<n;i++){x=(x*1103515245+12345)&0x7fffffff;a[i]=(x/0x7fffffff-0.5)*2*s;}return a;};
const data={}; const g=new GraphBuilder(); const params=[]; const P=(n,s,sc)=>{params.push({name:n});data[n]={s,a:arr(s,sc)};return g.initializer(n,floatSource(s,data[n].a));};
let x,width,ishape;
if(what==='block5'){ ishape=[512,14,14]; x=g.input('x','float32',['n',512,14,14]);
 for(let i=1;i<=3;i++){ x=g.add('Relu',[g.add('Conv',[x,P('w'+i,[512,512,3,3],0.036),P('b'+i,[512],0)],{kernel_shape:[3,3],strides:[1,1],pads:[1,1,1,1],dilations:[1,1],group:1})]); }
 x=g.add('MaxPool',[x],{kernel_shape:[2,2],strides:[2,2],pads:[0,0,0,0]}); x=g.add('Flatten',[x],{axis:1});
 x=g.add('Gemm',[x,P('hw',[25088,2],0.01),P('hb',[2],0)],{});
} else { ishape=[25088]; x=g.input('x','float32',['n',25088]);
 x=g.add('Relu',[g.add('Gemm',[x,P('w1',[25088,4096],0.014),P('b1',[4096],0)],{})]);
 x=g.add('Relu',[g.add('Gemm',[x,P('w2',[4096,4096],0.027),P('b2',[4096],0)],{})]);
 x=g.add('Gemm',[x,P('hw',[4096,2],0.02),P('hb',[2],0)],{});
}
g.output(g.add('Softmax',[x],{axis:-1}));
const s=stepGraph({graph:g,parameters:params,loss:'categorical_crossentropy',optimizer:makeOptimizer({name:'adam'}),batchSize:N},{provider:'cpu',update:mode});
const bytes=encodeModel(s.graph,{name:'s'});
for(const f of readdirSync('/tmp/grad')) if(f.startsWith('prof_')) rmSync('/tmp/grad/'+f);
const se=await ort.InferenceSession.create(bytes,{enableProfiling:true,extra:{session:{"intra_op.allow_spinning":"0"}},profileFilePrefix:'/tmp/grad/prof_',logSeverityLevel:4,graphOptimizationLevel:process.env.LEVEL??'all'});
const feeds={x:new ort.Tensor('float32',arr([N,...ishape],1),[N,...ishape]),targets:new ort.Tensor('float32',new Float32Array(N*2).map((_,i)=>(i>>1)%2===i%2?1:0),[N,2]),weights:new ort.Tensor('float32',new Float32Array(N).fill(1),[N]),scale:new ort.Tensor('float32',[1/N],[])};
for(const n of s.feeds.fed) feeds[n]=new ort.Tensor('float32',data[n].a,data[n].s);
const t=[];const R=+(process.env.R??10);
for(let i=0;i<R;i++){const a=process.cpuUsage(); await se.run(feeds); const b=process.cpuUsage(a); t.push((b.user+b.system)/1000);}
se.endProfiling(); await se.release();
const f=readdirSync('/tmp/grad').find(f=>f.startsWith('prof_')); const ev=JSON.parse(readFileSync('/tmp/grad/'+f,'utf8'));
const by=new Map(); for(const e of ev){ if(e.cat!=='Node'||!e.name.endsWith('_kernel_time'))continue; const k=e.args.op_name+' '+e.name.replace('_kernel_time','')+' '+JSON.stringify(e.args.output_type_shape?.map(o=>Object.values(o)[0])); if(!by.has(k))by.set(k,[]); by.get(k).push(e.dur/1000);}
const rows=[...by].map(([k,v])=>[k,Math.min(...v.slice(1)),v.sort((a,b)=>a-b)[v.length>>1]]).sort((a,b)=>b[1]-a[1]);
console.log('run cpu-ms min',Math.min(...t.slice(1)).toFixed(0),'sum of mins',rows.reduce((s,r)=>s+r[1],0).toFixed(0));
for(const r of rows.slice(0,+(process.env.TOP??40))) console.log(r[1].toFixed(1).padStart(8),r[2].toFixed(1).padStart(8),r[0]);
