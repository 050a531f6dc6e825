use quad::*;
use std::f64::consts::PI;
fn rng(s:&mut u64)->f64{ *s^=*s<<13; *s^=*s>>7; *s^=*s<<17; (*s>>11) as f64/(1u64<<53) as f64}
fn main(){
    let mut s=88172645463325252u64; let warm=std::env::args().nth(1).is_some();
    for _ in 0..100 { rng(&mut s);}
    if !warm { for (kind,orb) in [("single",0),("antipodal",1),("mirror",2),("octahedral",3)] {
    for kappa in [30.0f64,200.0,1000.0,3000.0] {
    for tol in [1e-3,1e-6,1e-10] {
        let (mut worst,mut mx,mut sum,mut fals,mut budget)=(0.0f64,0usize,0usize,0,0);
        let trials= if kappa==1000.0 {200} else {60};
        for _ in 0..trials {
            let u=Direction::from_angles((2.0*rng(&mut s)-1.0).acos(), 2.0*PI*rng(&mut s)).unwrap();
            let [x,y,z]=u.vector();
            let axes: Vec<[f64;3]> = match orb {0=>vec![[x,y,z]],1=>vec![[x,y,z],[-x,-y,-z]],
              2=>{let mut v=vec![]; for k in 0..4 {v.push([if k&1==1{-x}else{x},y,if k&2==2 {-z} else {z}]);} v},
              _=>{let mut v=vec![]; for p in [[x,y,z],[x,z,y],[y,x,z],[y,z,x],[z,x,y],[z,y,x]] {for k in 0..8u32 {v.push([0,1,2].map(|i| if k>>i&1==1 {-p[i]} else {p[i]}));}} v}};
            let exact=axes.len() as f64*2.0*PI/kappa*(1.0-(-2.0*kappa).exp());
            let f=pointwise(|d:&Direction|{let [a,b,c]=d.vector(); axes.iter().map(|u|(kappa*(u[0]*a+u[1]*b+u[2]*c-1.0)).exp()).sum::<f64>()});
            let e=Automatic::default().relative_tolerance(tol).max_evaluations(300_000).integrate(SolidAngle,&f).unwrap();
            let err=(e.value-exact).abs()/exact;
            worst=worst.max(err); mx=mx.max(e.evaluations); sum+=e.evaluations;
            if e.stop!=Stop::Converged {budget+=1} else if err>10.0*tol {fals+=1}
        }
        println!("{kind:10} k={kappa} {tol:.0e} mean N={} max N={mx} worst={worst:.1e} false={fals} budget={budget}",sum/trials);
    }}}
    }
    // moving lobes, warm
    for kappa in [200.0f64,2000.0,20000.0] {
      for stepsize in [0.002f64,0.005,0.01] {
        let mut mesh=Mesh::default().refined_near(&Direction::from_angles(0.9,0.4).unwrap(), 7.0/kappa.sqrt()).unwrap();
        let (mut worst,mut mx,mut sum)=(0.0f64,0usize,0usize);
        for step in 0..60 {
            let t=step as f64*stepsize;
            let u=Direction::from_angles(0.9+t*0.7,0.4+t).unwrap();
            let f=pointwise(|d:&Direction|(kappa*(u.dot(d)-1.0)).exp());
            let k0= if step==0 {kappa.min(500.0)} else {kappa};let _=k0;
            let e=Automatic::default().relative_tolerance(1e-6).integrate_from(SolidAngle,&mut mesh,&f).unwrap();
            let exact=2.0*PI/kappa;
            let err=(e.value-exact).abs()/exact;
            if step>0 {worst=worst.max(err); mx=mx.max(e.evaluations); sum+=e.evaluations;}
        }
        println!("moving k={kappa} step {stepsize} mean N={} max={mx} worst={worst:.1e} cells {}",sum/59,mesh.len());
    }}
}
