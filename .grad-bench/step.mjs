import { GraphBuilder, floatSource, openNetworkTraining, makeOptimizer } from './lib.mjs';
const [what, batch, opt='adam', threads] = process.argv.slice(2);
const N=Number(batch);
const rnd=(shape,s)=>{const n=shape.reduce((a,b)=>a*b,1);const a=new Float32Array(n);let x=12345;for(let i=0;i<n;i++){x=(x*1103515245+12345)&0x7fffffff;a[i]=(x/0x7fffffff-0.5)*2*s;}return floatSource(shape,a);};
const g=new GraphBuilder(); const params=[]; const P=(n,s,sc)=>{params.push({name:n});return g.initializer(n,rnd(s,sc));};
let x, width;
if(what==='block5'){ width=512*14*14; x=g.input('x','float32',['n',512,14,14]);
 for(let i=1;i<=3;i++){ x=g.add('Relu',[g.add('Conv',[x,P('w'+i,[512,512,3,3],0.036),P('b'+i,[512],0)],{kernel_shape:[3,3],strides:[1,1],pads:[1,1,1,1],dilations:[1,1],group:1})]); }
 x=g.add('MaxPool',[x],{kernel_shape:[2,2],strides:[2,2],pads:[0,0,0,0]}); x=g.add('Flatten',[x],{axis:1});
 x=g.add('Gemm',[x,P('hw',[25088,2],0.01),P('hb',[2],0)],{});
} else { width=25088; x=g.input('x','float32',['n',25088]);
 x=g.add('Relu',[g.add('Gemm',[x,P('w1',[25088,4096],0.014),P('b1',[4096],0)],{})]);
 x=g.add('Relu',[g.add('Gemm',[x,P('w2',[4096,4096],0.027),P('b2',[4096],0)],{})]);
 x=g.add('Gemm',[x,P('hw',[4096,2],0.02),P('hb',[2],0)],{});
}
g.output(g.add('Softmax',[x],{axis:-1}));
const dropout = what==='dense'?g.nodes.filter(n=>n.op==='Relu').map(n=>({at:n.outputs[0].name,rate:0.5})):[];
const t=await openNetworkTraining({graph:g,parameters:params,loss:'categorical_crossentropy',optimizer:makeOptimizer({name:opt,learningRate:1e-5}),batchSize:N,dropout},threads?{threads:+threads}:{});
const feats=new Float32Array(N*width).map((_,i)=>((i*7919)%1000)/1000); const tg=new Float32Array(N*2).map((_,i)=>(i>>1)%2===i%2?1:0);
const ms=[]; const steps=Number(process.env.STEPS??8);
for(let i=0;i<steps;i++){const a=process.cpuUsage(); const r=await t.step({inputs:[feats],targets:tg,count:N},{learningRate:1e-5,seed:i}); {const b=process.cpuUsage(a); ms.push((b.user+b.system)/1000);} if(i===0)console.log(r.loss);}
ms.splice(0,2); ms.sort((a,b)=>a-b); console.log(what,N,opt,'median',ms[ms.length>>1].toFixed(0),'min',ms[0].toFixed(0), 'rss',(process.memoryUsage().rss/2**20).toFixed(0));
await t.close();
